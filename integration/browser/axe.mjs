// Checks pages with axe, which finds what people with disabilities cannot use.

import { createRequire } from 'node:module'
import { readFileSync } from 'node:fs'

const source = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

// violations returns what axe finds in a page, or in the parts of it that match a selector: each with
// its rule, the element and what is wrong. With rules, only these are checked. The page's policy must allow
// scripts, or the context bypass it.
export async function violations(page, selector, rules) {
	await page.evaluate(source)
	const found = await page.evaluate(([selector, rules]) => window.axe.run(selector ? { include: [[selector]] } : document, rules ? { runOnly: rules } : {}), [selector, rules])
	return found.violations.flatMap(({ id, nodes }) => nodes.map(({ target, failureSummary }) => `${id}: ${target}: ${failureSummary}`))
}

// accessibleTree returns what Chromium tells a screen reader about an element and what is in it: for each node its
// role, name and description, whether it is expanded, and whether changes of it are read (live).
export async function accessibleTree(page, selector) {
	const session = await page.context().newCDPSession(page)
	const { root } = await session.send('DOM.getDocument')
	const { nodeId } = await session.send('DOM.querySelector', { nodeId: root.nodeId, selector })
	const { nodes } = await session.send('Accessibility.queryAXTree', { nodeId })
	await session.detach()
	return nodes.filter(({ ignored, role }) => !ignored && role.value !== 'InlineTextBox').map(({ role, name, description, properties }) => {
		const { expanded, live } = Object.fromEntries(properties.map((property) => [property.name, property.value.value]))
		const state = expanded === undefined ? '' : expanded ? 'expanded' : 'collapsed'
		return [role.value, name?.value && JSON.stringify(name.value), description?.value && `(${description.value})`, state, live].filter(Boolean).join(' ')
	})
}
