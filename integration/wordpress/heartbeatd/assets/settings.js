// Keeps the settings screen up to date on how this browser is connected.
( function( $, texts ) {
	function client() {
		return ( window.wp && window.wp.heartbeat ) || null;
	}

	function nameOfTransport() {
		if ( ! client() ) {
			return 'none';
		}
		return client().transport ? client().transport.name : 'core';
	}

	function show() {
		var name = nameOfTransport();
		$( '#heartbeatd-transport' ).text( texts[ name ] || name ).attr( 'data-transport', name );
		$( '#heartbeatd-help' ).text( name === 'post' ? texts.help : '' );
		count();
	}

	function count() {
		var name = nameOfTransport();
		var isLinked = name !== 'none' && name !== 'core' && name !== 'post' && client().room;
		$( '#heartbeatd-online' ).text( isLinked ? texts.online.replace( '%s', client().room( 'admin/online' ).total ) : '' );
	}

	$( document ).on( 'heartbeat-transport.heartbeatd-settings', show );
	$( function() {
		show();
		// Whoever opens this screen may have changed what refused this browser before.
		if ( nameOfTransport() === 'post' ) {
			client().transport.use();
		}
		if ( client() && client().room ) {
			client().room( 'admin/online' ).onChange( count );
		}
	} );
}( jQuery, window.heartbeatdSettings ) );
