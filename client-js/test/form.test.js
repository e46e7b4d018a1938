import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encode } from '../src/form.js'

test('fields are encoded as a form', () => {
	assert.equal(encode({}), '')
	assert.equal(encode({ data: {}, screen_id: 'front', has_focus: true }), 'screen_id=front&has_focus=true')
	assert.equal(encode({ data: { 'presence-ping': { screen: 'front', title: 'é & =', post_id: null } } }),
		'data%5Bpresence-ping%5D%5Bscreen%5D=front&data%5Bpresence-ping%5D%5Btitle%5D=%C3%A9%20%26%20%3D&data%5Bpresence-ping%5D%5Bpost_id%5D=')
	assert.equal(encode({ a: { b: { c: 0 } }, d: ['x'] }), 'a%5Bb%5D%5Bc%5D=0&d%5B0%5D=x')
})
