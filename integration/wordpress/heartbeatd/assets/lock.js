// Reports to PHP which document holds the post lock, and releases the block editor's lock when
// the user leaves the editor.
( function( $, config ) {
	const LOCK = 'wp-refresh-post-lock';
	const LEAVING_MS = 10000;
	let id = config.document;
	let leavingSince = 0; // when the user began to leave the document
	let nextUrl = ''; // the URL of the last navigation, if the browser reports it
	let nextUrlAt = 0; // and its time: the user may have cancelled it
	let isLost = false; // another user has the lock, as this document has shown

	function editor() {
		return window.wp.data && wp.data.select( 'core/editor' );
	}

	// The lock that this document holds, with the document's id, or ''.
	function heldLock() {
		const lock = config.block ? ! isLost && editor() && editor().getActivePostLock() : $( '#active_post_lock' ).val();
		return lock ? lock.split( ':' ).slice( 0, 2 ).concat( id ).join( ':' ) : '';
	}

	// Core's script releases the classic editor's lock with the value of this field.
	function addIdToField() {
		$( '#active_post_lock' ).val( heldLock() );
	}

	function isLeaving() {
		return Date.now() - leavingSince < LEAVING_MS;
	}

	function isNextPageSamePost() {
		const url = Date.now() - nextUrlAt < LEAVING_MS && new window.URL( nextUrl );
		return Boolean( url ) && /\/post\.php$/.test( url.pathname ) && Number( url.searchParams.get( 'post' ) ) === config.post;
	}

	// Runs after the editors' own handlers.
	wp.hooks.addAction( 'heartbeat.send', 'heartbeatd/lock', function( data ) {
		const lock = heldLock();
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
		leavingSince = Date.now();
	} );
	if ( window.navigation ) {
		window.navigation.addEventListener( 'navigate', function( event ) {
			if ( ! event.destination.sameDocument && ! event.downloadRequest ) {
				nextUrl = event.destination.url;
				nextUrlAt = Date.now();
			}
		} );
	}

	// The browser shows the document again. It has released the lock under its old id.
	$( window ).on( 'pageshow.heartbeatd', function( event ) {
		if ( event.originalEvent.persisted ) {
			id = 1 + Math.floor( Math.random() * 0x7ffffffe );
			leavingSince = 0;
			nextUrlAt = 0;
			addIdToField();
		}
	} );

	// Another tab of this user has released the lock, but this one still needs it.
	$( document ).on( 'heartbeat-push.heartbeatd', function( event, push ) {
		const released = push.data && push.data.heartbeatd && push.data.heartbeatd.beat_after_ms;
		if ( released && heldLock() && ! isLeaving() && typeof push.room === 'string' && push.room.split( ':' ).pop() === String( config.post ) ) {
			wp.heartbeat.connectNow();
		}
	} );

	if ( ! config.block ) {
		$( addIdToField );
		wp.hooks.addAction( 'heartbeat.tick', 'heartbeatd/lock', addIdToField, 100 );
		return;
	}

	wp.data.subscribe( function() {
		isLost = isLost || editor().isPostLocked();
	}, 'core/editor' );

	// When the user leaves, core's block editor releases only the lock that it began with.
	$( window ).on( 'pagehide.heartbeatd', function() {
		const lock = heldLock();
		const form = new window.FormData();
		if ( lock && ! isNextPageSamePost() ) {
			form.append( 'action', 'wp-remove-post-lock' );
			form.append( '_wpnonce', config.nonce );
			form.append( 'post_ID', config.post );
			form.append( 'active_post_lock', lock );
			window.navigator.sendBeacon( window.ajaxurl, form );
		}
	} );
}( jQuery, window.heartbeatdLock ) );
