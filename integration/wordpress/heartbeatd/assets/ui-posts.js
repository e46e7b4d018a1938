// Keeps the editors of posts up to date in the dashboard widget and the posts list.
( function( window, $, ui, i18n ) {
	const { document } = window;
	const { __ } = i18n;
	const PING = 'presence-active-posts-ping';

	let online = new Map(); // by user id: idle or not, from the room admin/online
	let onlineAtList = online; // the same when the last list came

	// The list comes with ticks and, over a link, in frames when it changes. The room
	// admin/online reports at once who has become idle or active since.
	function isIdle( { user_id: user, status } ) {
		const now = online.get( ui.number( user ) );
		return now === undefined || now === onlineAtList.get( ui.number( user ) ) ? status === 'idle' : now;
	}

	const toPerson = ( editor ) => ( {
		id: ui.number( editor.user_id ),
		name: ui.text( editor.display_name ),
		avatar: ui.url( editor.avatar_url ),
		idle: isIdle( editor ),
	} );

	function renderPost( { post_title: title, edit_url: url, editors } ) {
		const link = ui.createElement( 'a', '', ui.text( title ) || __( '(no title)', 'heartbeatd' ) );
		if ( /^https?:\/\//.test( ui.url( url ) ) ) {
			link.setAttribute( 'href', url );
		}
		return ui.createElement( 'li', 'heartbeatd-post', link, ...ui.avatars( ui.list( editors ).map( toPerson ), 0, 'heartbeatd-editor' ) );
	}

	const box = document.getElementById( 'heartbeatd-active-posts' );
	if ( box ) {
		let posts = JSON.parse( box.dataset.posts );
		const render = () => {
			ui.setChildren( box.querySelector( '.heartbeatd-posts' ), posts.map( renderPost ) );
			box.querySelector( '.heartbeatd-none' ).hidden = posts.length > 0;
			ui.announceUpdate( 'active-posts', box );
		};
		ui.people.watch( 'admin/online', ( { people } ) => {
			const first = ! online.size;
			online = new Map( people.map( ( { id, idle } ) => [ id, idle ] ) );
			onlineAtList = first ? online : onlineAtList;
			render();
		} );
		const update = ( list ) => {
			if ( Array.isArray( list ) ) {
				posts = ui.list( list );
				onlineAtList = online;
				render();
			}
		};
		// The widget may be closed or hidden.
		const isShown = () => document.visibilityState !== 'hidden' && box.offsetParent;
		const announce = () => {
			if ( isShown() ) {
				ui.people.announce( { [ PING ]: 'frames' } );
			}
		};
		$( document )
			.on( 'heartbeat-send.heartbeatd-posts', ( event, data ) => {
				if ( isShown() ) {
					// Without a link there are no frames. Another script may want ticks.
					data[ PING ] = data[ PING ] || ( ui.people.isLinked() ? 'frames' : true );
				}
			} )
			.on( 'heartbeat-tick.heartbeatd-posts', ( event, response ) => update( response[ 'presence-active-posts' ] ) )
			.on( 'heartbeat-active-posts.heartbeatd-posts', ( event, news ) => update( news.posts ) )
			.on( 'postbox-toggled.heartbeatd-posts postbox-columnchange.heartbeatd-posts', () => ( ui.people.isLinked() ? announce() : ui.people.beat() ) );
		announce();
	}

	// Quick Edit replaces a row, so the cell is looked up for each change.
	const rooms = new Set( Array.from( document.querySelectorAll( '.heartbeatd-editors[data-room]' ), ( cell ) => cell.dataset.room ) );
	rooms.forEach( ( room ) => ui.people.watch( room, ( { people, total } ) => {
		document.querySelectorAll( `.heartbeatd-editors[data-room="${ window.CSS.escape( room ) }"]` )
			.forEach( ( cell ) => {
				ui.setChildren( cell, ui.avatars( people, total ) );
				ui.announceUpdate( 'editors', cell );
			} );
	} ) );
}( window, window.jQuery, window.heartbeatdUi, window.wp.i18n ) );
