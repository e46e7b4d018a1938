// Stores for the plugin's status report over which transport this page is connected, or that it is
// not. The next page that is loaded brings the report to PHP, which removes it.
( function( $, config ) {
	// A page that has no link after this time is one without.
	const NO_LINK_MS = 10000;

	function transportName() {
		return ( window.wp && window.wp.heartbeat && window.wp.heartbeat.transport || { name: 'post' } ).name;
	}

	function store( name ) {
		document.cookie = 'heartbeatd_transport=' + name + '; Path=' + config.path + '; SameSite=Strict';
	}

	const timer = window.setTimeout( function() {
		if ( document.visibilityState !== 'hidden' && transportName() === 'post' ) {
			store( 'post' );
		}
	}, NO_LINK_MS );

	function storeLink() {
		if ( transportName() !== 'post' ) {
			window.clearTimeout( timer );
			store( transportName() );
		}
	}

	storeLink();
	$( document ).on( 'heartbeat-transport.heartbeatd-report', storeLink );
}( jQuery, window.heartbeatdLinkReport ) );
