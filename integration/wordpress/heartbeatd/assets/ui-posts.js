// Keeps up to date who edits what: the dashboard's widget and the posts list.
( function( window, $, ui, i18n ) {
	const { document } = window;
	const { __ } = i18n;

	let online = new Map(); // user id to idle, from the room admin/online
	let before = online; // the same when the last list of posts came

	// Ticks list the editors, once a minute. The room admin/online reports at once who has
	// become idle or active since.
	function isIdle( { user_id: user, status } ) {
		const now = online.get( Number( user ) );
		return now === undefined || now === before.get( Number( user ) ) ? status === 'idle' : now;
	}

	const person = ( editor ) => ( {
		id: Number( editor.user_id ),
		name: String( editor.display_name || '' ),
		avatar: String( editor.avatar_url || '' ),
		idle: isIdle( editor ),
	} );

	function post( { post_title: title, edit_url: url, editors } ) {
		const link = ui.make( 'a', '', title || __( '(no title)', 'heartbeatd' ) );
		if ( /^https?:\/\//.test( url ) ) {
			link.setAttribute( 'href', url );
		}
		return ui.make( 'li', 'heartbeatd-post', link, ...ui.faces( ( editors || [] ).map( person ) ) );
	}

	const box = document.getElementById( 'heartbeatd-active-posts' );
	if ( box ) {
		let posts = JSON.parse( box.dataset.posts );
		const draw = () => {
			ui.fill( box.querySelector( '.heartbeatd-posts' ), posts.map( post ) );
			box.querySelector( '.heartbeatd-none' ).hidden = posts.length > 0;
		};
		ui.people.watch( 'admin/online', ( { people } ) => {
			const first = ! online.size;
			online = new Map( people.map( ( { id, idle } ) => [ id, idle ] ) );
			before = first ? online : before;
			draw();
		} );
		$( document )
			.on( 'heartbeat-send.heartbeatd-posts', ( event, data ) => {
				// Nobody asks for what nobody sees: the widget may be closed or switched off.
				if ( document.visibilityState !== 'hidden' && box.offsetParent ) {
					data[ 'presence-active-posts-ping' ] = true;
				}
			} )
			.on( 'heartbeat-tick.heartbeatd-posts', ( event, response ) => {
				if ( Array.isArray( response[ 'presence-active-posts' ] ) ) {
					posts = response[ 'presence-active-posts' ];
					before = online;
					draw();
				}
			} )
			.on( 'postbox-toggled.heartbeatd-posts postbox-columnchange.heartbeatd-posts', ui.people.beat );
	}

	// Quick Edit draws a row anew: look for the cell each time.
	const rooms = new Set( Array.from( document.querySelectorAll( '.heartbeatd-editors[data-room]' ), ( cell ) => cell.dataset.room ) );
	rooms.forEach( ( room ) => ui.people.watch( room, ( { people, total } ) => {
		document.querySelectorAll( `.heartbeatd-editors[data-room="${ window.CSS.escape( room ) }"]` )
			.forEach( ( cell ) => ui.fill( cell, ui.faces( people, total ) ) );
	} ) );
}( window, window.jQuery, window.heartbeatdUi, window.wp.i18n ) );
