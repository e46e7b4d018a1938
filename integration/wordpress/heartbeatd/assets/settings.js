// Keeps the settings screen up to date on how this browser is connected.
( function( $, texts ) {
	var transport = wp.heartbeat.transport;

	function show() {
		var name = transport ? transport.name : 'core';
		$( '#heartbeatd-transport' ).text( texts[ name ] ).attr( 'data-transport', name );
		$( '#heartbeatd-help' ).text( name === 'post' ? texts.help : '' );
	}

	function count() {
		var room = wp.heartbeat.room( 'admin/online' );
		$( '#heartbeatd-online' ).text( transport.name === 'post' ? '' : texts.online.replace( '%s', room.total ) );
	}

	$( function() {
		show();
		if ( transport ) {
			count();
			wp.heartbeat.room( 'admin/online' ).onChange( count );
			$( document ).on( 'heartbeat-transport.heartbeatd-settings', function() {
				show();
				count();
			} );
		}
	} );
}( jQuery, window.heartbeatdSettings ) );
