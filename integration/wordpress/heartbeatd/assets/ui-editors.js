// Whoever else is in the post that is being edited: in the classic editor's
// publish box, in the block editor as faces in its header and a panel beside it.
( function( window, ui, i18n ) {
	const { document, wp } = window;
	const { __, sprintf } = i18n;
	const others = ( { people } ) => people.filter( ( { id } ) => id !== ui.me.user_id ).map( ( person ) => Object.assign( {}, person, { screen: '' } ) );

	// Says who comes and goes; that somebody is idle is for the eyes.
	function announce( before, now ) {
		const among = ( people, { id } ) => people.some( ( person ) => person.id === id );
		now.filter( ( person ) => ! among( before, person ) ).forEach( ( { name } ) => {
			/* translators: %s: a person's name. */
			wp.a11y.speak( sprintf( __( '%s is in this post now', 'heartbeatd' ), name ) );
		} );
		before.filter( ( person ) => ! among( now, person ) ).forEach( ( { name } ) => {
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
			ui.fill( box.querySelector( 'ul' ), here.map( ( person ) => ui.make( 'li', 'heartbeatd-person', ...ui.person( person ) ) ) );
		};
	}

	ui.people.watch( ui.room, ( room ) => {
		const before = here;
		here = others( room );
		show();
		announce( before, here );
	} );

	if ( box || ! wp.plugins || ! wp.element ) {
		return;
	}

	const { createElement, createPortal, useEffect, useRef, useState } = wp.element;
	const Panel = ( wp.editor && wp.editor.PluginDocumentSettingPanel ) || ( wp.editPost && wp.editPost.PluginDocumentSettingPanel );

	// React takes no nodes: what faces.js draws is put into an element that React leaves alone.
	function Drawn( { tag, className, draw } ) {
		const element = useRef( null );
		useEffect( () => ui.fill( element.current, draw() ) );
		return createElement( tag, { className, ref: element } );
	}

	// There is no slot in the header: without that place the panel has to do.
	function headerPlace() {
		const header = document.querySelector( '.editor-header__settings, .edit-post-header__settings' );
		let place = header && header.querySelector( ':scope > .heartbeatd-header' );
		if ( header && ! place ) {
			place = ui.make( 'div', 'heartbeatd-header' );
			header.prepend( place );
		}
		return place;
	}

	function Others() {
		const [ people, set ] = useState( here );
		const [ place, setPlace ] = useState( null );
		useEffect( () => {
			show = () => {
				set( here );
				setPlace( headerPlace() );
			};
			show();
			return () => ( show = () => {} );
		}, [] );
		if ( ! people.length ) {
			return null;
		}
		const list = () => people.map( ( person ) => ui.make( 'li', 'heartbeatd-person', ...ui.person( person ) ) );
		return createElement( wp.element.Fragment, null,
			place && createPortal( createElement( Drawn, { tag: 'div', draw: () => ui.faces( people ) } ), place ),
			Panel && createElement( Panel, { name: 'others', title: __( 'Also in this post', 'heartbeatd' ), className: 'heartbeatd-panel' },
				createElement( Drawn, { tag: 'ul', className: 'heartbeatd-people', draw: list } ) )
		);
	}

	wp.plugins.registerPlugin( 'heartbeatd', { render: Others, icon: null } );
}( window, window.heartbeatdUi, window.wp.i18n ) );
