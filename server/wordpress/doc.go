// Package wordpress has the functions of WordPress and PHP that a beat needs, so that
// heartbeatd reads it exactly as wp_ajax_heartbeat does.
//
// A beat's body is read with [ParseForm] and its tick written with
// [AppendJSON]; both work on [Array], PHP's ordered map:
//
//	form := wordpress.ParseForm(body)
//	data := form.Array("data")
//	screen := wordpress.SanitizeKey(form.String("screen_id"))
//
//	tick := wordpress.NewArray()
//	tick.Set("wp-auth-check", true)
//	tick.Set("server_time", now.Unix())
//	answer, err := wordpress.AppendJSON(nil, tick)
//
// A demo site, or a test that takes the place of WordPress, issues and checks nonces and
// log-in cookies with [Keys].
//
// The reference for every function is PHP itself: the tests run generated input through
// php-cli and compare the results. Where PHP versions differ, this is PHP 8.2 with its
// default limits.
package wordpress
