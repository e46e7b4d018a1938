// Tells PHP which document holds the post lock, and releases the block editor's
// lock when the editor is left.
( function( $, config ) {
	var LOCK = 'wp-refresh-post-lock';
	var LEAVING_MS = 10000;
	var id = config.document;
	var leaving = 0; // since when the document is being left
	var next = ''; // the address of the last navigation, where the browser reports it
	var nextAt = 0; // and its time: the user may have cancelled it
	var lost = false; // this document has shown that somebody else is editing

	function editor() {
		return window.wp.data && wp.data.select( 'core/editor' );
	}

	// The lock that this document holds, with the document's name, or ''.
	function held() {
		var lock = config.block ? ! lost && editor() && editor().getActivePostLock() : $( '#active_post_lock' ).val();
		return lock ? lock.split( ':' ).slice( 0, 2 ).concat( id ).join( ':' ) : '';
	}

	// Core's script releases the classic editor's lock as this field has it.
	function nameField() {
		$( '#active_post_lock' ).val( held() );
	}

	function isLeaving() {
		return Date.now() - leaving < LEAVING_MS;
	}

	function leavesForThisPost() {
		var url = Date.now() - nextAt < LEAVING_MS && new window.URL( next );
		return Boolean( url ) && /\/post\.php$/.test( url.pathname ) && Number( url.searchParams.get( 'post' ) ) === config.post;
	}

	// The editors' own handlers have run by then.
	wp.hooks.addAction( 'heartbeat.send', 'heartbeatd/lock', function( data ) {
		var lock = held();
		if ( ! data[ LOCK ] ) {
			return;
		}
		if ( isLeaving() ) {
			// The next page takes the lock or releases it.
			delete data[ LOCK ];
		} else if ( lock ) {
			data[ LOCK ].lock = lock;
		} else {
			delete data[ LOCK ].lock;
		}
	}, 100 );

	$( window ).on( 'beforeunload.heartbeatd', function() {
		leaving = Date.now();
	} );
	if ( window.navigation ) {
		window.navigation.addEventListener( 'navigate', function( event ) {
			if ( ! event.destination.sameDocument && ! event.downloadRequest ) {
				next = event.destination.url;
				nextAt = Date.now();
			}
		} );
	}

	// A document that comes back after it was left has released its lock under its old name.
	$( window ).on( 'pageshow.heartbeatd', function( event ) {
		if ( event.originalEvent.persisted ) {
			id = 1 + Math.floor( Math.random() * 0x7ffffffe );
			leaving = 0;
			nextAt = 0;
			nameField();
		}
	} );

	// Another tab of this user has released the lock: this one still needs it.
	$( document ).on( 'heartbeat-push.heartbeatd', function( event, push ) {
		var released = push.data && push.data.heartbeatd && push.data.heartbeatd.beat_after_ms;
		if ( released && held() && ! isLeaving() && push.room.split( ':' ).pop() === String( config.post ) ) {
			wp.heartbeat.connectNow();
		}
	} );

	if ( ! config.block ) {
		$( nameField );
		wp.hooks.addAction( 'heartbeat.tick', 'heartbeatd/lock', nameField, 100 );
		return;
	}

	wp.data.subscribe( function() {
		lost = lost || editor().isPostLocked();
	}, 'core/editor' );

	// For leaving, core's block editor knows only the lock that it began with.
	$( window ).on( 'pagehide.heartbeatd', function() {
		var lock = held();
		var form = new window.FormData();
		if ( lock && ! leavesForThisPost() ) {
			form.append( 'action', 'wp-remove-post-lock' );
			form.append( '_wpnonce', config.nonce );
			form.append( 'post_ID', config.post );
			form.append( 'active_post_lock', lock );
			window.navigator.sendBeacon( window.ajaxurl, form );
		}
	} );
}( jQuery, window.heartbeatdLock ) );
