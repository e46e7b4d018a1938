// Checks pages with axe, which finds what people with disabilities cannot use.

import { createRequire } from 'node:module'
import { readFileSync } from 'node:fs'

const source = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

// violations returns what axe finds in a page, or in the parts of it that match a selector: each with
// its rule, the element and what is wrong. The page's policy must allow scripts, or the context bypass it.
export async function violations(page, selector) {
	await page.evaluate(source)
	const found = await page.evaluate((selector) => window.axe.run(selector ? { include: [[selector]] } : document), selector)
	return found.violations.flatMap(({ id, nodes }) => nodes.map(({ target, failureSummary }) => `${id}: ${target}: ${failureSummary}`))
}
