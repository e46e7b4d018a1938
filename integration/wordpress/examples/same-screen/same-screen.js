// Says at the top of the screen who else has it open.
jQuery( function( $ ) {
	const { pagenow, userSettings, wp } = window;
	const line = $( '<p role="status"></p>' ).insertBefore( $( '.wrap' ).first() );

	// People are { user_id, display_name, screen }.
	function show( people ) {
		const names = people
			.filter( ( person ) => person.screen === pagenow && person.user_id !== Number( userSettings.uid ) )
			.map( ( person ) => person.display_name );
		line.text( names.length ? `Also here: ${ names.join( ', ' ) }` : '' ); // text(), not html(): anybody can choose a name
	}

	// The room says at once who comes and goes. A page without heartbeatd's scripts has no rooms.
	const room = wp.heartbeat.room && wp.heartbeat.room( 'admin/online' );
	const showRoom = () => show( room.entries.map( ( entry ) => ( {
		user_id: entry.user_id,
		display_name: entry.display_name,
		screen: entry.data.screen,
	} ) ) );
	if ( room ) {
		room.onChange( showRoom );
		showRoom(); // the room may be there already
	}

	// Without a link, ticks list who is online.
	$( document ).on( 'heartbeat-tick', function( event, tick ) {
		const isLinked = room && wp.heartbeat.transport.name !== 'post';
		if ( tick[ 'presence-online' ] && ! isLinked ) {
			show( tick[ 'presence-online' ] );
		}
	} );
} );
