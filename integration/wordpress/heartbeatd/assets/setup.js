// Makes a secret on the settings screen, and shows the lines with it. It stays in this tab, so that the
// lines are the same when the screen is loaded again.
( function( window, { __ }, a11y ) {
	const { document, sessionStorage } = window;
	const STORED = 'heartbeatd-new-secret';
	const BYTES = 32;

	function makeSecret() {
		const bytes = window.crypto.getRandomValues( new Uint8Array( BYTES ) );
		return Array.from( bytes, ( byte ) => byte.toString( 16 ).padStart( 2, '0' ) ).join( '' );
	}

	const secret = sessionStorage.getItem( STORED ) || makeSecret();
	sessionStorage.setItem( STORED, secret );
	document.querySelectorAll( '#heartbeatd-setup [data-line]' ).forEach( ( code ) => {
		code.textContent = code.dataset.line.replace( '%s', secret );
	} );
	document.getElementById( 'heartbeatd-setup' ).hidden = false;

	const copied = __( 'Copied', 'heartbeatd' );
	new window.ClipboardJS( '#heartbeatd-setup button', { text: ( button ) => button.previousElementSibling.textContent } )
		.on( 'success', ( event ) => {
			event.clearSelection(); // It gives the focus back to the button.
			event.trigger.textContent = copied;
			a11y.speak( copied );
		} );
}( window, window.wp.i18n, window.wp.a11y ) );
