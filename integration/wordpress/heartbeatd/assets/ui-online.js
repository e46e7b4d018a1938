// Keeps up to date, wherever a page shows them, the people who are online: the
// dashboard's widget, the admin bar, the users list.
( function( window, ui, i18n ) {
	const { document } = window;
	const { __, _n, sprintf } = i18n;
	const WIDGET = 50;
	const BAR = 20;

	const number = ( n ) => n.toLocaleString( document.documentElement.lang || undefined );

	function widget( list, { people, total } ) {
		const items = people.slice( 0, WIDGET ).map( ( person ) => ui.make( 'li', 'heartbeatd-person', ...ui.person( person ) ) );
		if ( total > items.length ) {
			items.push( ui.make( 'li', 'heartbeatd-more', ui.others( total - items.length ) ) );
		}
		ui.fill( list, items );
	}

	// One line of the admin bar's list, as WordPress prints its items.
	function line( id, content ) {
		const item = ui.make( 'div', 'ab-item ab-empty-item', content );
		item.setAttribute( 'role', 'menuitem' );
		const element = ui.make( 'li', '', item );
		element.id = `wp-admin-bar-heartbeatd-online-${ id }`;
		element.setAttribute( 'role', 'group' );
		return element;
	}

	function bar( node, { people, total } ) {
		const shown = people.slice( 0, BAR );
		const items = shown.map( ( person ) => line( person.id, ui.make( 'span', 'heartbeatd-person', ...ui.person( person ) ) ) );
		if ( total > shown.length ) {
			items.push( line( 'more', ui.make( 'span', 'heartbeatd-more', ui.others( total - shown.length ) ) ) );
		}
		const count = ui.make( 'span', '', number( total ) );
		count.setAttribute( 'aria-hidden', 'true' );
		/* translators: %s: how many people. */
		ui.fill( node.querySelector( '.ab-label' ), [ count, ui.hear( sprintf( _n( '%s person online', '%s people online', total, 'heartbeatd' ), number( total ) ) ) ] );
		ui.fill( node.querySelector( '.ab-submenu' ), items );
	}

	function users( { people, total } ) {
		const count = document.getElementById( 'heartbeatd-users-online' );
		if ( count ) {
			count.textContent = number( total );
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
			widget( list, online );
		}
		if ( node ) {
			bar( node, online );
		}
		users( online );
	} );
}( window, window.heartbeatdUi, window.wp.i18n ) );
