// Keeps the users online up to date in the dashboard widget, the admin bar and the users list.
( function( window, ui, i18n ) {
	const { document } = window;
	const { __, _n, sprintf } = i18n;
	const MAX_WIDGET_USERS = 50;
	const MAX_BAR_USERS = 20;

	const formatNumber = ( n ) => n.toLocaleString( document.documentElement.lang || undefined );

	function updateWidget( list, { people, total } ) {
		const items = people.slice( 0, MAX_WIDGET_USERS ).map( ( person ) => ui.createElement( 'li', 'heartbeatd-person', ...ui.person( person ) ) );
		if ( total > items.length ) {
			items.push( ui.createElement( 'li', 'heartbeatd-more', ui.moreText( total - items.length ) ) );
		}
		ui.setChildren( list, items );
	}

	// An item of the admin bar, as WordPress prints it.
	function barItem( id, content ) {
		const item = ui.createElement( 'div', 'ab-item ab-empty-item', content );
		item.setAttribute( 'role', 'menuitem' );
		const element = ui.createElement( 'li', '', item );
		element.id = `wp-admin-bar-heartbeatd-online-${ id }`;
		element.setAttribute( 'role', 'group' );
		return element;
	}

	function updateBar( node, { people, total } ) {
		const shown = people.slice( 0, MAX_BAR_USERS );
		const items = shown.map( ( person ) => barItem( person.id, ui.createElement( 'span', 'heartbeatd-person', ...ui.person( person ) ) ) );
		if ( total > shown.length ) {
			items.push( barItem( 'more', ui.createElement( 'span', 'heartbeatd-more', ui.moreText( total - shown.length ) ) ) );
		}
		const count = ui.createElement( 'span', '', formatNumber( total ) );
		count.setAttribute( 'aria-hidden', 'true' );
		/* translators: %s: how many people. */
		ui.setChildren( node.querySelector( '.ab-label' ), [ count, ui.screenReaderText( sprintf( _n( '%s person online', '%s people online', total, 'heartbeatd' ), formatNumber( total ) ) ) ] );
		ui.setChildren( node.querySelector( '.ab-submenu' ), items );
	}

	function updateUsersList( { people, total } ) {
		const count = document.getElementById( 'heartbeatd-users-online' );
		if ( count ) {
			count.textContent = formatNumber( total );
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
		const node = document.getElementById( 'wp-admin-bar-heartbeatd-online' );
		if ( list ) {
			updateWidget( list, online );
		}
		if ( node ) {
			updateBar( node, online );
		}
		updateUsersList( online );
	} );
}( window, window.heartbeatdUi, window.wp.i18n ) );
