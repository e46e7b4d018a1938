// Makes nodes, and reads values that other users have written.

// element returns an element with attributes and children. Texts are inserted as text.
export function element(tag, attributes = {}, ...children) {
	const made = document.createElement(tag)
	for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value)
	made.append(...children)
	return made
}

// text returns a value as text. Any user who may edit posts can write any data, for example an object
// without a toString().
export const text = (value) => (typeof value === 'string' || typeof value === 'number' ? String(value) : '')
