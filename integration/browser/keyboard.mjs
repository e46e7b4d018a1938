// Uses pages with the keyboard alone.

const MAX = 200 // how often Tab is pressed

// walk presses Tab until each visible control that matches a selector has had the focus, and nobody could
// overlook it. It returns the other controls: none.
export async function walk(page, selector) {
	let left = []
	for (let i = 0; i < MAX; i++) {
		await page.keyboard.press('Tab')
		left = await page.evaluate(reach, selector)
		if (!left.length) break
	}
	return left
}

// reach marks the control that has the focus, if it looks different from how it looks without, and returns
// the controls that have no mark.
function reach(selector) {
	const element = document.activeElement
	if (element.matches(selector)) {
		element.style.transition = 'none'
		const look = () => ['outline', 'boxShadow', 'color', 'backgroundColor'].map((name) => getComputedStyle(element)[name]).join()
		const focused = look()
		element.blur()
		if (focused !== look()) element.dataset.reached = 'yes'
		element.focus()
	}
	return Array.from(document.querySelectorAll(selector))
		.filter((control) => control.checkVisibility() && !control.disabled && !control.dataset.reached)
		.map((control) => control.outerHTML.slice(0, 200))
}

// tabTo presses Tab until the control that matches a selector has the focus.
export async function tabTo(page, selector) {
	for (let i = 0; i < MAX; i++) {
		await page.keyboard.press('Tab')
		if (await hasFocus(page, selector)) return
	}
	throw new Error(`Tab does not reach ${selector}`)
}

export const hasFocus = (page, selector) => page.evaluate((selector) => document.activeElement.matches(selector), selector)
