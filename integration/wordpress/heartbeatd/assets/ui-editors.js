// Shows the other users in the edited post: in the classic editor's publish box, and in the
// block editor as avatars in its header and a panel in its sidebar.
( function( window, ui, i18n ) {
	const { document, wp } = window;
	const { __, sprintf } = i18n;
	const withoutMe = ( { people } ) => people.filter( ( { id } ) => id !== ui.me.user_id ).map( ( person ) => Object.assign( {}, person, { screen: '' } ) );

	// Tells screen readers who comes and leaves, but not who becomes idle.
	function announce( before, now ) {
		const isIn = ( people, { id } ) => people.some( ( person ) => person.id === id );
		now.filter( ( person ) => ! isIn( before, person ) ).forEach( ( { name } ) => {
			/* translators: %s: a person's name. */
			wp.a11y.speak( sprintf( __( '%s is in this post now', 'heartbeatd' ), name ) );
		} );
		before.filter( ( person ) => ! isIn( now, person ) ).forEach( ( { name } ) => {
			/* translators: %s: a person's name. */
			wp.a11y.speak( sprintf( __( '%s has left this post', 'heartbeatd' ), name ) );
		} );
	}

	let here = [];
	let show = () => {};

	const box = document.getElementById( 'heartbeatd-here' );
	if ( box ) {
		show = () => {
			box.hidden = ! here.length;
			ui.setChildren( box.querySelector( 'ul' ), here.map( ( person ) => ui.createElement( 'li', 'heartbeatd-person', ...ui.person( person ) ) ) );
		};
	}

	ui.people.watch( ui.room, ( room ) => {
		const before = here;
		here = withoutMe( room );
		show();
		announce( before, here );
	} );

	if ( box || ! wp.plugins || ! wp.element ) {
		return;
	}

	const { createElement, createPortal, useEffect, useRef, useState } = wp.element;
	const Panel = ( wp.editor && wp.editor.PluginDocumentSettingPanel ) || ( wp.editPost && wp.editPost.PluginDocumentSettingPanel );

	// render.js makes DOM nodes, which React does not take: they go into an element without React children.
	function Rendered( { tag, className, render } ) {
		const element = useRef( null );
		useEffect( () => ui.setChildren( element.current, render() ) );
		return createElement( tag, { className, ref: element } );
	}

	// The header has no slot. If its element is not found, only the panel is shown.
	function headerElement() {
		const header = document.querySelector( '.editor-header__settings, .edit-post-header__settings' );
		let element = header && header.querySelector( ':scope > .heartbeatd-header' );
		if ( header && ! element ) {
			element = ui.createElement( 'div', 'heartbeatd-header' );
			header.prepend( element );
		}
		return element;
	}

	function OtherUsers() {
		const [ people, set ] = useState( here );
		const [ header, setHeader ] = useState( null );
		useEffect( () => {
			show = () => {
				set( here );
				setHeader( headerElement() );
			};
			show();
			return () => ( show = () => {} );
		}, [] );
		if ( ! people.length ) {
			return null;
		}
		const list = () => people.map( ( person ) => ui.createElement( 'li', 'heartbeatd-person', ...ui.person( person ) ) );
		return createElement( wp.element.Fragment, null,
			header && createPortal( createElement( Rendered, { tag: 'div', render: () => ui.avatars( people ) } ), header ),
			Panel && createElement( Panel, { name: 'others', title: __( 'Also in this post', 'heartbeatd' ), className: 'heartbeatd-panel' },
				createElement( Rendered, { tag: 'ul', className: 'heartbeatd-people', render: list } ) )
		);
	}

	wp.plugins.registerPlugin( 'heartbeatd', { render: OtherUsers, icon: null } );
}( window, window.heartbeatdUi, window.wp.i18n ) );
