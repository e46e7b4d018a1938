// Shows on the settings screen how this browser is connected.
( function( $, texts ) {
	function client() {
		return ( window.wp && window.wp.heartbeat ) || null;
	}

	function transportName() {
		if ( ! client() ) {
			return 'none';
		}
		return client().transport ? client().transport.name : 'core';
	}

	function showTransport() {
		const name = transportName();
		$( '#heartbeatd-transport' ).text( texts[ name ] || name ).attr( 'data-transport', name );
		$( '#heartbeatd-help' ).text( name === 'post' ? texts.help : '' );
		$( '#heartbeatd-connection' ).attr( 'class', isLinked() ? 'heartbeatd-good' : 'heartbeatd-warning' );
		showOnlineCount();
	}

	function isLinked() {
		return ! [ 'none', 'core', 'post' ].includes( transportName() );
	}

	function showOnlineCount() {
		const text = isLinked() && client().room ? texts.online.replace( '%s', client().room( 'admin/online' ).total ) : '';
		$( '#heartbeatd-online' ).text( text ).parent().prop( 'hidden', text === '' );
	}

	window.sessionStorage.removeItem( 'heartbeatd-new-secret' ); // of setup.js: a secret is set
	$( document ).on( 'heartbeat-transport.heartbeatd-settings', showTransport );
	$( function() {
		showTransport();
		// The administrator may have fixed what refused this browser before, so it tries again.
		if ( transportName() === 'post' ) {
			client().transport.use();
		}
		if ( client() && client().room ) {
			client().room( 'admin/online' ).onChange( showOnlineCount );
		}
	} );
}( jQuery, window.heartbeatdSettings ) );
