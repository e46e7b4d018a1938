// Draws people. PHP draws the same first (includes/ui-people.php): what is
// already there is left alone. Names are text, never markup.
( function( window, i18n ) {
	const { document } = window;
	const { __, sprintf, _n } = i18n;
	const MOST_FACES = 5;

	function make( tag, className, ...children ) {
		const element = document.createElement( tag );
		if ( className ) {
			element.className = className;
		}
		element.append( ...children );
		return element;
	}

	const hear = ( text ) => make( 'span', 'screen-reader-text', text );

	function face( person ) {
		const element = make( 'span', person.idle ? 'heartbeatd-face is-idle' : 'heartbeatd-face' );
		if ( person.avatar ) {
			const picture = make( 'img', 'avatar photo' );
			[ [ 'alt', '' ], [ 'src', person.avatar ], [ 'width', '24' ], [ 'height', '24' ] ].forEach( ( [ name, value ] ) => picture.setAttribute( name, value ) );
			element.append( picture );
		} else {
			const initial = make( 'span', 'heartbeatd-initial', Array.from( person.name )[ 0 ] || '?' );
			initial.setAttribute( 'aria-hidden', 'true' );
			element.append( initial );
		}
		return element;
	}

	/** Whoever reads cannot see that a face is pale. */
	const spoken = ( person ) =>
		/* translators: %s: a person's name. */
		person.idle ? sprintf( __( '%s (idle)', 'heartbeatd' ), person.name ) : person.name;

	/** A row of faces, or a dash when there is nobody. */
	function faces( people, total ) {
		if ( ! people.length ) {
			const dash = make( 'span', '', '—' );
			dash.setAttribute( 'aria-hidden', 'true' );
			return [ dash, hear( __( 'Nobody', 'heartbeatd' ) ) ];
		}
		const list = make( 'ul', 'heartbeatd-faces' );
		people.slice( 0, MOST_FACES ).forEach( ( person ) => {
			const item = make( 'li', '', face( person ), hear( spoken( person ) ) );
			item.title = spoken( person );
			list.append( item );
		} );
		const more = Math.max( total || 0, people.length ) - list.children.length;
		if ( more > 0 ) {
			list.append( make( 'li', 'heartbeatd-more', others( more ) ) );
		}
		return [ list ];
	}

	const others = ( more ) =>
		/* translators: %s: how many more people there are. */
		sprintf( _n( 'and %s more', 'and %s more', more, 'heartbeatd' ), more.toLocaleString( document.documentElement.lang || undefined ) );

	/** A person with name, screen and what they are up to. */
	function person( someone ) {
		const parts = [ face( someone ), make( 'span', 'heartbeatd-name', someone.name ) ];
		if ( someone.screen ) {
			parts.push( make( 'span', 'heartbeatd-screen', someone.screen ) );
		}
		if ( someone.idle ) {
			parts.push( make( 'span', 'heartbeatd-idle', __( 'Idle', 'heartbeatd' ) ) );
		}
		return parts;
	}

	/**
	 * Makes a parent's children what they should be. Those that are the same
	 * already stay, with their pictures and whatever has the focus.
	 */
	function fill( parent, children ) {
		const old = Array.from( parent.childNodes );
		const kept = children.map( ( child ) => {
			const at = old.findIndex( ( node ) => node.isEqualNode( child ) );
			return at < 0 ? child : old.splice( at, 1 )[ 0 ];
		} );
		old.forEach( ( node ) => node.remove() );
		kept.forEach( ( node, at ) => {
			if ( parent.childNodes[ at ] !== node ) {
				parent.insertBefore( node, parent.childNodes[ at ] || null );
			}
		} );
	}

	Object.assign( window.heartbeatdUi, { make, hear, face, faces, person, others, spoken, fill } );
}( window, window.wp.i18n ) );
