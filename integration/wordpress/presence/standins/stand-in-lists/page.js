// The script of a page: each visible tab sends the ping, and shows the lists of the ticks.
( function( $, config ) {
	function show( selector, tag, lines ) {
		const list = document.querySelector( selector );
		if ( list ) {
			list.replaceChildren( ...lines.map( function( line ) {
				const item = document.createElement( tag );
				item.textContent = line + ' ';
				return item;
			} ) );
		}
	}

	$( document ).on( 'heartbeat-send.stand-in', function( event, data ) {
		if ( document.visibilityState === 'hidden' ) {
			return;
		}
		data[ 'presence-ping' ] = config.ping;
		if ( config.editing ) {
			data[ 'presence-editor-ping' ] = { post_id: config.editing };
		}
		if ( document.querySelector( '#presence-active-posts-list' ) ) {
			data[ 'presence-active-posts-ping' ] = true;
		}
	} );

	$( document ).on( 'heartbeat-tick.stand-in', function( event, tick ) {
		if ( tick[ 'presence-online' ] ) {
			const people = tick[ 'presence-online' ].map( ( one ) => one.display_name + ': (' + one.screen + ')' );
			show( '#wp-admin-bar-presence-online .ab-item', 'span', people );
			show( '#presence-online-list', 'li', people );
		}
		if ( tick[ 'presence-active-posts' ] ) {
			show( '#presence-active-posts-list', 'li', tick[ 'presence-active-posts' ].map( ( post ) => post.post_title + ': ' + post.editors.map( ( one ) => one.display_name ).join( ', ' ) ) );
		}
	} );

	window.addEventListener( 'pagehide', function() {
		config.rows.forEach( function( row ) {
			const url = new URL( config.rest );
			url.searchParams.set( 'room', row[ 0 ] );
			url.searchParams.set( 'client_id', row[ 1 ] );
			window.fetch( url, { method: 'DELETE', keepalive: true, headers: { 'X-WP-Nonce': config.nonce } } );
		} );
	} );

	$( function() {
		window.wp.heartbeat.connectNow();
	} );
}( jQuery, window.standIn ) );
