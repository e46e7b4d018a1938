// Keeps the editors of posts up to date in the dashboard widget and the posts list.
( function( window, $, ui, i18n ) {
	const { document } = window;
	const { __ } = i18n;

	let online = new Map(); // by user id: idle or not, from the room admin/online
	let onlineAtTick = online; // the same when the last tick listed the editors

	// Ticks list the editors once a minute. The room admin/online reports at once who has become
	// idle or active since.
	function isIdle( { user_id: user, status } ) {
		const now = online.get( Number( user ) );
		return now === undefined || now === onlineAtTick.get( Number( user ) ) ? status === 'idle' : now;
	}

	const toPerson = ( editor ) => ( {
		id: Number( editor.user_id ),
		name: String( editor.display_name || '' ),
		avatar: String( editor.avatar_url || '' ),
		idle: isIdle( editor ),
	} );

	function renderPost( { post_title: title, edit_url: url, editors } ) {
		const link = ui.createElement( 'a', '', title || __( '(no title)', 'heartbeatd' ) );
		if ( /^https?:\/\//.test( url ) ) {
			link.setAttribute( 'href', url );
		}
		return ui.createElement( 'li', 'heartbeatd-post', link, ...ui.avatars( ( editors || [] ).map( toPerson ) ) );
	}

	const box = document.getElementById( 'heartbeatd-active-posts' );
	if ( box ) {
		let posts = JSON.parse( box.dataset.posts );
		const render = () => {
			ui.setChildren( box.querySelector( '.heartbeatd-posts' ), posts.map( renderPost ) );
			box.querySelector( '.heartbeatd-none' ).hidden = posts.length > 0;
		};
		ui.people.watch( 'admin/online', ( { people } ) => {
			const first = ! online.size;
			online = new Map( people.map( ( { id, idle } ) => [ id, idle ] ) );
			onlineAtTick = first ? online : onlineAtTick;
			render();
		} );
		$( document )
			.on( 'heartbeat-send.heartbeatd-posts', ( event, data ) => {
				// The widget may be closed or hidden.
				if ( document.visibilityState !== 'hidden' && box.offsetParent ) {
					data[ 'presence-active-posts-ping' ] = true;
				}
			} )
			.on( 'heartbeat-tick.heartbeatd-posts', ( event, response ) => {
				if ( Array.isArray( response[ 'presence-active-posts' ] ) ) {
					posts = response[ 'presence-active-posts' ];
					onlineAtTick = online;
					render();
				}
			} )
			.on( 'postbox-toggled.heartbeatd-posts postbox-columnchange.heartbeatd-posts', ui.people.beat );
	}

	// Quick Edit replaces a row, so the cell is looked up for each change.
	const rooms = new Set( Array.from( document.querySelectorAll( '.heartbeatd-editors[data-room]' ), ( cell ) => cell.dataset.room ) );
	rooms.forEach( ( room ) => ui.people.watch( room, ( { people, total } ) => {
		document.querySelectorAll( `.heartbeatd-editors[data-room="${ window.CSS.escape( room ) }"]` )
			.forEach( ( cell ) => ui.setChildren( cell, ui.avatars( people, total ) ) );
	} ) );
}( window, window.jQuery, window.heartbeatdUi, window.wp.i18n ) );
