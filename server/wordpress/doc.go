// Package wordpress holds facts about WordPress and the PHP beneath it, so
// that a beat means here what it means to wp_ajax_heartbeat.
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
// A demo site or a test that stands in for WordPress issues and checks nonces
// and log-in cookies with [Keys].
//
// The judge of every function is PHP itself: the tests run generated input
// through php-cli and compare. Where PHP versions differ, this is PHP 8.2 with
// its default limits.
package wordpress
