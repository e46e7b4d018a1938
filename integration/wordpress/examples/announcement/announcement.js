// Shows announcements when they are pushed.
jQuery( function( $ ) {
	const { wp } = window;
	let shown = '';

	function show( announcement ) {
		if ( announcement && announcement.id !== shown ) {
			shown = announcement.id;
			$( '<div class="notice notice-info"><p></p></div>' ).insertBefore( $( '.wrap' ).first() )
				.find( 'p' ).text( announcement.text );
		}
	}

	wp.hooks.addAction( 'heartbeat.push', 'announcement', function( { data } ) {
		show( data && data.announcement ); // other plugins push, too
	} );

	wp.hooks.addAction( 'heartbeat.missed', 'announcement', function() {
		wp.heartbeat.enqueue( 'announcement', 1 ); // goes with the next beat
	} );

	$( document ).on( 'heartbeat-tick', function( event, tick ) {
		show( tick.announcement );
	} );
} );
