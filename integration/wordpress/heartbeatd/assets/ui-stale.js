// Says that somebody else has changed what this screen shows. With a link the
// news is pushed; without one, or after one was lost for a while, beats ask.
( function( window, $, ui, i18n ) {
	const { document, wp } = window;
	const { __, _n, sprintf } = i18n;
	const { key } = ui.screen;
	let { rev } = ui.screen;
	let changed = null;
	let links = ui.people.linked() ? 1 : 0;
	let missed = false; // what was pushed while there was no link may be forgotten by now
	let asked = false;

	function text() {
		const minutes = Math.max( 0, Math.floor( ( ui.people.now() / 1000 - changed.time ) / 60 ) );
		if ( ! minutes ) {
			/* translators: %s: a person's name. */
			return sprintf( __( '%s changed this screen just now.', 'heartbeatd' ), changed.actor_name );
		}
		/* translators: 1: a person's name, 2: how many minutes. */
		return sprintf( _n( '%1$s changed this screen %2$s minute ago.', '%1$s changed this screen %2$s minutes ago.', minutes, 'heartbeatd' ), changed.actor_name, minutes.toLocaleString( document.documentElement.lang || undefined ) );
	}

	const reload = () => window.location.reload();

	function inBlockEditor() {
		wp.data.dispatch( 'core/notices' ).createWarningNotice( `${ text() } ${ __( 'Reload to see the latest version.', 'heartbeatd' ) }`, {
			id: 'heartbeatd-stale',
			isDismissible: true,
			actions: [ { label: __( 'Reload', 'heartbeatd' ), onClick: reload } ],
		} );
	}

	function inPage() {
		const said = document.querySelector( '#heartbeatd-stale .heartbeatd-changed' );
		if ( said ) {
			said.textContent = text();
			return;
		}
		const button = ui.make( 'button', 'button-link', __( 'Reload to see the latest version.', 'heartbeatd' ) );
		button.type = 'button';
		button.addEventListener( 'click', reload );
		const notice = ui.make( 'div', 'notice notice-warning is-dismissible', ui.make( 'p', '', ui.make( 'span', 'heartbeatd-changed', text() ), ' ', button ) );
		notice.id = 'heartbeatd-stale';
		const place = document.querySelector( '.wp-header-end' ) || document.querySelector( '.wrap h1, .wrap h2' );
		if ( place ) {
			place.after( notice );
		} else {
			( document.getElementById( 'wpbody-content' ) || document.body ).prepend( notice );
		}
		$( document ).trigger( 'wp-updates-notice-added' ); // it gets its button
	}

	const isBlockEditor = () => document.body.classList.contains( 'block-editor-page' );

	function show() {
		if ( isBlockEditor() ) {
			inBlockEditor();
		} else {
			inPage();
		}
	}

	function heard( news ) {
		if ( ! news || news.key !== key || ! ( Number( news.rev ) > rev ) ) {
			return;
		}
		rev = Number( news.rev );
		if ( Number( news.actor_id ) === ui.me.user_id ) {
			return; // what I have changed I know
		}
		changed = { actor_name: String( news.actor_name || '' ), time: Number( news.time ) || ui.people.now() / 1000 };
		show();
		if ( ! isBlockEditor() ) {
			wp.a11y.speak( `${ text() } ${ __( 'Reload to see the latest version.', 'heartbeatd' ) }` );
		}
	}

	// The minutes go by. A notice that was dismissed stays away.
	window.setInterval( () => {
		if ( changed && ! isBlockEditor() && document.getElementById( 'heartbeatd-stale' ) ) {
			inPage();
		}
	}, 60000 );

	$( document )
		.on( 'heartbeat-push.heartbeatd-stale', ( event, push ) => heard( push.data && push.data.heartbeatd && push.data.heartbeatd.screen_rev ) )
		.on( 'heartbeat-transport.heartbeatd-stale', ( event, name ) => {
			links += name === 'post' ? 0 : 1;
			missed = links > 1;
		} )
		.on( 'heartbeat-send.heartbeatd-stale', ( event, data ) => {
			asked = document.visibilityState !== 'hidden' && ( missed || ! ui.screen.hears || ! ui.people.linked() );
			if ( asked ) {
				data[ 'presence-screen-ping' ] = { key };
			}
		} )
		.on( 'heartbeat-tick.heartbeatd-stale', ( event, response ) => {
			missed = missed && ! asked;
			heard( response[ 'presence-screen-rev' ] );
		} );
}( window, window.jQuery, window.heartbeatdUi, window.wp.i18n ) );
