// Shows a notice when another user has changed what this screen shows. Over a link, pushes
// report new revisions. Without a link, and after one was lost, beats ask for the revision.
( function( window, $, ui, i18n ) {
	const { document, wp } = window;
	const { __, _n, sprintf } = i18n;
	const { key } = ui.screen;
	let { rev } = ui.screen;
	let changed = null;
	let linkCount = ui.people.isLinked() ? 1 : 0;
	let mayHaveMissed = false; // pushes from before the current link may have expired
	let isAsking = false;

	function message() {
		const minutes = Math.max( 0, Math.floor( ( ui.people.now() / 1000 - changed.time ) / 60 ) );
		if ( ! minutes ) {
			/* translators: %s: a person's name. */
			return sprintf( __( '%s changed this screen just now.', 'heartbeatd' ), changed.actor_name );
		}
		/* translators: 1: a person's name, 2: how many minutes. */
		return sprintf( _n( '%1$s changed this screen %2$s minute ago.', '%1$s changed this screen %2$s minutes ago.', minutes, 'heartbeatd' ), changed.actor_name, minutes.toLocaleString( document.documentElement.lang || undefined ) );
	}

	const reload = () => window.location.reload();

	function showInBlockEditor() {
		wp.data.dispatch( 'core/notices' ).createWarningNotice( message(), {
			id: 'heartbeatd-stale',
			isDismissible: true,
			actions: [ { label: __( 'Reload', 'heartbeatd' ), onClick: reload } ],
		} );
	}

	function showInPage() {
		const shown = document.querySelector( '#heartbeatd-stale .heartbeatd-changed' );
		if ( shown ) {
			shown.textContent = message();
			return;
		}
		const button = ui.createElement( 'button', 'button-link', __( 'Reload to see the latest version.', 'heartbeatd' ) );
		button.type = 'button';
		button.addEventListener( 'click', reload );
		const notice = ui.createElement( 'div', 'notice notice-warning is-dismissible', ui.createElement( 'p', '', ui.createElement( 'span', 'heartbeatd-changed', message() ), ' ', button ) );
		notice.id = 'heartbeatd-stale';
		const place = document.querySelector( '.wp-header-end' ) || document.querySelector( '.wrap h1, .wrap h2' );
		if ( place ) {
			place.after( notice );
		} else {
			( document.getElementById( 'wpbody-content' ) || document.body ).prepend( notice );
		}
		$( document ).trigger( 'wp-updates-notice-added' ); // core adds the dismiss button
	}

	const isBlockEditor = () => document.body.classList.contains( 'block-editor-page' );

	function show() {
		if ( isBlockEditor() ) {
			showInBlockEditor();
		} else {
			showInPage();
		}
	}

	function receive( revision ) {
		if ( ! revision || revision.key !== key || ! ( ui.number( revision.rev ) > rev ) ) {
			return;
		}
		rev = ui.number( revision.rev );
		if ( ui.number( revision.actor_id ) === ui.me.user_id ) {
			return; // this user's own change
		}
		changed = { actor_name: ui.text( revision.actor_name ), time: ui.number( revision.time ) || ui.people.now() / 1000 };
		show();
		if ( ! isBlockEditor() ) {
			wp.a11y.speak( `${ message() } ${ __( 'Reload to see the latest version.', 'heartbeatd' ) }` );
		}
	}

	// Updates the minutes in the notice, unless it was dismissed.
	window.setInterval( () => {
		if ( changed && ! isBlockEditor() && document.getElementById( 'heartbeatd-stale' ) ) {
			showInPage();
		}
	}, 60000 );

	$( document )
		.on( 'heartbeat-push.heartbeatd-stale', ( event, push ) => receive( push.data && push.data.heartbeatd && push.data.heartbeatd.screen_rev ) )
		.on( 'heartbeat-transport.heartbeatd-stale', ( event, name ) => {
			linkCount += name === 'post' ? 0 : 1;
			mayHaveMissed = linkCount > 1;
		} )
		.on( 'heartbeat-missed.heartbeatd-stale', () => {
			mayHaveMissed = true;
		} )
		.on( 'heartbeat-send.heartbeatd-stale', ( event, data ) => {
			isAsking = document.visibilityState !== 'hidden' && ( mayHaveMissed || ! ui.screen.hears || ! ui.people.isLinked() );
			if ( isAsking ) {
				data[ 'presence-screen-ping' ] = { key };
			}
		} )
		.on( 'heartbeat-tick.heartbeatd-stale', ( event, response ) => {
			mayHaveMissed = mayHaveMissed && ! isAsking;
			receive( response[ 'presence-screen-rev' ] );
		} );
}( window, window.jQuery, window.heartbeatdUi, window.wp.i18n ) );
