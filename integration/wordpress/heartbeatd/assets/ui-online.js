// Keeps the users online up to date in the dashboard widget and the users list.
( function( window, ui, i18n ) {
	const { document } = window;
	const { __ } = i18n;
	const MAX_WIDGET_USERS = 50;

	function updateWidget( list, { people, total } ) {
		const items = people.slice( 0, MAX_WIDGET_USERS ).map( ( person ) => ui.createElement( 'li', 'heartbeatd-person', ...ui.person( person ) ) );
		if ( total > items.length ) {
			items.push( ui.createElement( 'li', 'heartbeatd-more', ui.moreText( total - items.length ) ) );
		}
		ui.setChildren( list, items );
	}

	function updateUsersList( { people, total } ) {
		const count = document.getElementById( 'heartbeatd-users-online' );
		if ( count ) {
			count.textContent = ui.formatNumber( total );
			ui.announceUpdate( 'users-online-count', count );
		}
		const words = {
			online: __( 'Online', 'heartbeatd' ),
			idle: __( 'Idle', 'heartbeatd' ),
			offline: __( 'Offline', 'heartbeatd' ),
		};
		const idle = new Map( people.map( ( person ) => [ person.id, person.idle ] ) );
		document.querySelectorAll( '.heartbeatd-status' ).forEach( ( element ) => {
			const id = Number( element.dataset.user );
			let status = 'offline';
			if ( idle.has( id ) ) {
				status = idle.get( id ) ? 'idle' : 'online';
			}
			element.className = `heartbeatd-status is-${ status }`;
			element.textContent = words[ status ];
		} );
	}

	ui.people.watch( 'admin/online', ( online ) => {
		const list = document.getElementById( 'heartbeatd-who' );
		if ( list ) {
			updateWidget( list, online );
		}
		updateUsersList( online );
	} );
}( window, window.heartbeatdUi, window.wp.i18n ) );
