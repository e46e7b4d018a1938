// Renders people as DOM nodes. PHP prints the same HTML first (includes/presence-ui/people.php),
// and nodes that do not change stay. Names are inserted as text, never as HTML.
( function( window, i18n ) {
	const { document } = window;
	const { __, sprintf, _n } = i18n;
	const MAX_AVATARS = 5;

	function createElement( tag, className, ...children ) {
		const element = document.createElement( tag );
		if ( className ) {
			element.className = className;
		}
		element.append( ...children );
		return element;
	}

	const screenReaderText = ( text ) => createElement( 'span', 'screen-reader-text', text );

	function avatar( person ) {
		const element = createElement( 'span', person.idle ? 'heartbeatd-face is-idle' : 'heartbeatd-face' );
		if ( person.avatar ) {
			const image = createElement( 'img', 'avatar photo' );
			[ [ 'alt', '' ], [ 'src', person.avatar ], [ 'width', '24' ], [ 'height', '24' ] ].forEach( ( [ name, value ] ) => image.setAttribute( name, value ) );
			element.append( image );
		} else {
			const initial = createElement( 'span', 'heartbeatd-initial', Array.from( person.name )[ 0 ] || '?' );
			initial.setAttribute( 'aria-hidden', 'true' );
			element.append( initial );
		}
		return element;
	}

	/** The text that screen readers read for an avatar. It also says what the avatar's style shows: that the user is idle. */
	const accessibleName = ( person ) =>
		/* translators: %s: a person's name. */
		person.idle ? sprintf( __( '%s (idle)', 'heartbeatd' ), person.name ) : person.name;

	/** A row of avatars, or a dash if there are none. Screen readers read their names, unless these have another class. */
	function avatars( people, total, className = 'screen-reader-text' ) {
		if ( ! people.length ) {
			const dash = createElement( 'span', '', '—' );
			dash.setAttribute( 'aria-hidden', 'true' );
			return [ dash, screenReaderText( __( 'Nobody', 'heartbeatd' ) ) ];
		}
		const list = createElement( 'ul', 'heartbeatd-faces' );
		people.slice( 0, MAX_AVATARS ).forEach( ( person ) => {
			const item = createElement( 'li', '', avatar( person ), createElement( 'span', className, accessibleName( person ) ) );
			item.title = accessibleName( person );
			list.append( item );
		} );
		const more = Math.max( total || 0, people.length ) - list.children.length;
		if ( more > 0 ) {
			list.append( createElement( 'li', 'heartbeatd-more', moreText( more ) ) );
		}
		return [ list ];
	}

	const formatNumber = ( n ) => n.toLocaleString( document.documentElement.lang || undefined );

	const moreText = ( more ) =>
		/* translators: %s: how many more people there are. */
		sprintf( _n( 'and %s more', 'and %s more', more, 'heartbeatd' ), formatNumber( more ) );

	/** A person: avatar, name, screen, and whether they are idle. */
	function person( someone ) {
		const parts = [ avatar( someone ), createElement( 'span', 'heartbeatd-name', someone.name ) ];
		if ( someone.screen ) {
			parts.push( createElement( 'span', 'heartbeatd-screen', someone.screen ) );
		}
		if ( someone.idle ) {
			parts.push( createElement( 'span', 'heartbeatd-idle', __( 'Idle', 'heartbeatd' ) ) );
		}
		return parts;
	}

	/**
	 * Replaces the children of a parent. Equal children stay, with their loaded images. A link that has
	 * the focus keeps it, also if its child is replaced or moved.
	 */
	function setChildren( parent, children ) {
		const focused = parent.contains( document.activeElement ) ? document.activeElement : null;
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
		if ( focused && focused !== document.activeElement ) {
			const same = parent.contains( focused ) ? focused : Array.from( parent.querySelectorAll( 'a' ) ).find( ( { href } ) => href === focused.href );
			if ( same ) {
				same.focus( { preventScroll: true } );
			}
		}
	}

	/** Tells other scripts that an element shows something else, as the Presence API does. */
	function announceUpdate( key, element ) {
		if ( window.wp.hooks ) {
			window.wp.hooks.doAction( 'presence-api.surfaceUpdated', key, element );
		}
	}

	Object.assign( window.heartbeatdUi, { createElement, screenReaderText, avatars, person, formatNumber, moreText, setChildren, announceUpdate } );
}( window, window.wp.i18n ) );
