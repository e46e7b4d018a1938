// Keeps the users online up to date in the admin bar, and names the posts that they edit. The list
// of these posts has only posts that this user may edit.
( function( window, ui, i18n, hooks ) {
	const { document } = window;
	const { __, _n, sprintf } = i18n;
	const MAX_USERS = 20;
	const MAX_ASKING = 50;
	const PING = 'presence-active-posts-ping';
	const node = document.getElementById( 'wp-admin-bar-heartbeatd-online' );
	if ( ! node ) {
		return;
	}
	const top = node.querySelector( '.ab-item' );

	let online = null;
	let editing = new Map(); // by user id: the post that the user edits

	// An item as WordPress prints it.
	function createItem( id, content, url ) {
		const item = ui.createElement( url ? 'a' : 'div', url ? 'ab-item' : 'ab-item ab-empty-item', content );
		item.setAttribute( 'role', 'menuitem' );
		if ( url ) {
			item.setAttribute( 'href', url );
		}
		const element = ui.createElement( 'li', '', item );
		element.id = `wp-admin-bar-heartbeatd-online-${ id }`;
		element.setAttribute( 'role', 'group' );
		return element;
	}

	function createUser( person ) {
		const post = editing.get( person.id );
		if ( ! post ) {
			return createItem( person.id, ui.createElement( 'span', 'heartbeatd-person', ...ui.person( person ) ) );
		}
		/* translators: %s: a post's title. */
		const screen = sprintf( __( 'Editing: %s', 'heartbeatd' ), ui.text( post.post_title ) || __( '(no title)', 'heartbeatd' ) );
		const content = ui.createElement( 'span', 'heartbeatd-person', ...ui.person( Object.assign( {}, person, { screen } ) ) );
		return createItem( person.id, content, /^https?:\/\//.test( ui.url( post.edit_url ) ) ? post.edit_url : '' );
	}

	function render() {
		const { people, total } = online;
		const shown = people.slice( 0, MAX_USERS );
		const items = shown.map( createUser );
		if ( total > shown.length ) {
			items.push( createItem( 'more', ui.createElement( 'span', 'heartbeatd-more', ui.moreText( total - shown.length ) ) ) );
		}
		const hasFocus = node.contains( document.activeElement );
		const count = ui.createElement( 'span', '', ui.formatNumber( total ) );
		count.setAttribute( 'aria-hidden', 'true' );
		/* translators: %s: how many people. */
		const text = sprintf( _n( '%s person online', '%s people online', total, 'heartbeatd' ), ui.formatNumber( total ) );
		ui.setChildren( node.querySelector( '.ab-label' ), [ count, ui.screenReaderText( text ) ] );
		ui.setChildren( node.querySelector( '.ab-submenu' ), items );
		if ( hasFocus && ! node.contains( document.activeElement ) ) {
			top.focus();
		}
		node.classList.remove( 'heartbeatd-waiting' );
		ui.announceUpdate( 'admin-bar', node );
	}

	function receive( posts ) {
		if ( ! Array.isArray( posts ) ) {
			return;
		}
		editing = new Map();
		ui.list( posts ).forEach( ( post ) => ui.list( post.editors ).forEach( ( editor ) => {
			// The list begins with the newest post.
			const id = ui.number( editor.user_id );
			if ( ! editing.has( id ) ) {
				editing.set( id, post );
			}
		} ) );
		if ( online ) {
			render();
		}
	}

	// While many users are online, and where only PHP knows which posts the user may edit, a page
	// asks only while the list is open.
	const isOpen = () => node.matches( ':hover, .hover, :focus-within' );
	const isCheap = () => ui.asksForPosts && ( ! online || online.total <= MAX_ASKING );
	const asks = () => document.visibilityState !== 'hidden' && ( isCheap() || isOpen() );
	const announce = () => asks() && ui.people.announce( { [ PING ]: 'frames' } );

	ui.people.watch( 'admin/online', ( seen ) => {
		const isFirst = ! online;
		online = seen;
		render();
		if ( isFirst ) {
			announce();
		}
	} );
	hooks.addAction( 'heartbeat.send', 'heartbeatd/bar', ( data ) => {
		if ( asks() ) {
			data[ PING ] = data[ PING ] || ( ui.people.isLinked() ? 'frames' : true );
		}
	} );
	hooks.addAction( 'heartbeat.tick', 'heartbeatd/bar', ( response ) => receive( response[ 'presence-active-posts' ] ) );
	hooks.addAction( 'heartbeat.active-posts', 'heartbeatd/bar', ( { posts } ) => receive( posts ) );
	node.addEventListener( 'mouseenter', announce );
	node.addEventListener( 'focusin', announce );
	document.addEventListener( 'visibilitychange', announce );

	// WordPress's script does so only in items that it finds when the page has loaded.
	node.addEventListener( 'keydown', ( { key } ) => {
		if ( key === 'Escape' ) {
			top.focus();
			node.classList.remove( 'hover' );
		}
	} );
	// WordPress's script sets it only for items that are links.
	const setExpanded = () => top.setAttribute( 'aria-expanded', String( node.classList.contains( 'hover' ) ) );
	new window.MutationObserver( setExpanded ).observe( node, { attributeFilter: [ 'class' ] } );
}( window, window.heartbeatdUi, window.wp.i18n, window.wp.hooks ) );
