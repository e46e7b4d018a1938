// Presence on the site's front end: reports which page the user looks at. A page that has
// wp.heartbeat, because another plugin uses it there, reports it with its beats. Any other page
// has only the link, and no beats. Its ticket comes from WordPress, on the condition that
// heartbeatd answers.
( function( window, config ) {
	const { document, wp } = window;
	const link = window.heartbeatdLink;
	const client = link || wp.heartbeat || {};
	const PING = 'presence-ping';
	const ping = { screen: 'front', title: config.title };

	const isVisible = () => document.visibilityState !== 'hidden';
	const isLinked = () => Boolean( client.transport ) && client.transport.name !== 'post';

	function announce() {
		if ( isVisible() && client.transport && client.transport.announce ) {
			client.transport.announce( { [ PING ]: ping } );
		}
	}

	// Without a link nobody corrects the admin bar, so it is hidden after a while.
	const HIDE_AFTER_MS = 60000;
	let hideTimer = 0;

	function showBar() {
		window.clearTimeout( hideTimer );
		const node = document.getElementById( 'wp-admin-bar-heartbeatd-online' );
		if ( node && ! isLinked() ) {
			hideTimer = window.setTimeout( () => node.classList.add( 'heartbeatd-waiting' ), HIDE_AFTER_MS );
		} else if ( node && ! node.querySelector( '.heartbeatd-empty' ) ) {
			node.classList.remove( 'heartbeatd-waiting' );
		}
	}

	announce();
	document.addEventListener( 'visibilitychange', announce );
	window.addEventListener( 'focus', announce );
	wp.hooks.addAction( 'heartbeat.transport', 'heartbeatd/front', showBar );
	wp.hooks.addAction( 'heartbeat.send', 'heartbeatd/front', ( data ) => {
		if ( isVisible() ) {
			data[ PING ] = data[ PING ] || ping;
		}
	} );
	if ( ! link ) {
		return;
	}

	// A ticket is valid for an hour, on all pages of the site. The tab's next page takes it from
	// the storage. It is stored only while heartbeatd accepts it.
	const KEY = 'heartbeatd-ticket';
	const RENEW_MS = 600000; // before the ticket expires
	const CHECK_MS = 300000;
	const PAUSE_MS = 60000;
	const MAX_TRIES = 3; // tickets in a row that brought no link
	let ticket = null; // { session, text, until }
	let tries = 0;
	let checkedAt = -Infinity;

	const isFresh = ( { session, until } ) => session === config.session && until - Date.now() > RENEW_MS;

	function takeStored() {
		try {
			const stored = JSON.parse( window.sessionStorage.getItem( KEY ) );
			window.sessionStorage.removeItem( KEY );
			return stored && isFresh( stored ) ? stored : null;
		} catch ( e ) {
			return null; // storage may be forbidden
		}
	}

	function store() {
		try {
			window.sessionStorage.setItem( KEY, JSON.stringify( ticket ) );
		} catch ( e ) {
			// Storage may be forbidden or full: the next page asks for a ticket.
		}
	}

	function use( next ) {
		ticket = next;
		link.useTicket( ticket.text );
		if ( isLinked() ) {
			store();
		}
	}

	async function fetchTicket() {
		tries++;
		const answer = await window.fetch( config.ticket_url, { headers: { 'X-WP-Nonce': config.nonce }, cache: 'no-store', credentials: 'same-origin' } );
		if ( answer.ok ) {
			const { ticket: text, expires_in: seconds } = await answer.json();
			use( { session: config.session, text, until: Date.now() + 1000 * seconds } );
		} else if ( answer.status < 500 ) {
			tries = MAX_TRIES; // the user has logged out, or the page is from a cache
		}
	}

	// Asks WordPress for a ticket if the page needs one. While heartbeatd is down WordPress is not
	// asked.
	async function check() {
		if ( ! isVisible() || tries >= MAX_TRIES || Date.now() - checkedAt < PAUSE_MS || ( isLinked() && isFresh( ticket ) ) ) {
			return;
		}
		checkedAt = Date.now();
		try {
			if ( isLinked() || await link.isUp() ) {
				await fetchTicket();
			}
		} catch ( e ) {
			// The network failed, or WordPress answered with something else: tried again later.
		}
	}

	// The link ends when the ticket is refused, as after a revocation: the page gets another one,
	// not at once with all other pages.
	let timer = 0;
	wp.hooks.addAction( 'heartbeat.transport', 'heartbeatd/front-ticket', () => {
		window.clearTimeout( timer );
		if ( ! isLinked() ) {
			timer = window.setTimeout( check, PAUSE_MS * ( 1 + Math.random() ) );
		} else if ( ticket ) {
			tries = 0;
			store();
		}
	} );
	document.addEventListener( 'visibilitychange', check );
	window.setInterval( check, CHECK_MS );
	const stored = takeStored();
	if ( stored ) {
		checkedAt = Date.now();
		use( stored );
	} else {
		check();
	}
}( window, window.heartbeatdFront ) );
