// Adds fields to every beat, and records every event with its arguments.
jQuery( function( $ ) {
	const notes = window.everyHookNotes = [];
	let beats = 0;

	function note( name, data ) {
		notes.push( [ name, data === undefined ? null : JSON.parse( JSON.stringify( data ) ) ] );
	}

	$( document ).on( 'heartbeat-send', function( event, data ) {
		data.every_hook_field = 'some_data';
		data.every_hook_nested = { list: [ 1, 'two & three', '' ], yes: true, nothing: null, beat: ++beats };
		note( 'heartbeat-send', data );
		if ( beats === 3 && window.heartbeatSettings.nonce ) {
			window.heartbeatSettings.nonce = 'wrong';
		}
	} );
	wp.hooks.addAction( 'heartbeat.send', 'every-hook', function( data ) {
		note( 'heartbeat.send', data );
	} );
	$( document ).on( 'heartbeat-tick', function( event, data, status, jqXHR ) {
		note( 'heartbeat-tick', [ data, status, jqXHR.status, jqXHR.statusText, jqXHR.responseJSON, jqXHR.getResponseHeader( 'Content-Type' ) ] );
	} );
	wp.hooks.addAction( 'heartbeat.tick', 'every-hook', function( data, status, jqXHR ) {
		note( 'heartbeat.tick', [ data, status, jqXHR.status ] );
	} );
	[ 'error', 'connection-lost', 'connection-restored', 'nonces-expired' ].forEach( function( name ) {
		$( document ).on( 'heartbeat-' + name, function() {
			note( 'heartbeat-' + name );
		} );
		wp.hooks.addAction( 'heartbeat.' + name, 'every-hook', function() {
			note( 'heartbeat.' + name );
		} );
	} );

	wp.heartbeat.enqueue( 'every-hook-queued', { once: 1 }, false );
	$.each( { good: window.everyHook.nonce, bad: 'bad' }, function( name, nonce ) {
		$.post( window.everyHook.url, { action: 'every_hook', security: nonce } ).always( function( answer, status ) {
			note( 'answer to a ' + name + ' nonce', [ status, answer.responseText || answer ] );
		} );
	} );
} );
