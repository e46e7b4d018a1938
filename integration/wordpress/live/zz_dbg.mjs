import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { beat, editorOf, linked, newPost, withLive } from '/work/main/integration/wordpress/live/live.mjs'
test('dbg', { timeout: 300000 }, async (t) => {
  await withLive(t, async ({ site, php, person }) => {
    const p = await person('editor', { client: 'websocket' })
    const id = newPost(php, 'x', p.id)
    const page = await p.open(editorOf(id))
    await linked(page, 'websocket')
    await page.evaluate(() => {
      window.tr = []
      jQuery(document).ajaxSend((e, x, o) => { if (/action=heartbeat/.test(o.data||'')) tr.push(['send', Math.round(performance.now()/1000), Object.keys(Object.fromEntries(new URLSearchParams(o.data))).filter(k=>/^data/.test(k)).join(' ')]) })
      jQuery(document).on('heartbeat-tick', (e, d, s, x) => tr.push(['tick', Math.round(performance.now()/1000), x.getResponseHeader('X-Heartbeatd-Ticket') ? 'PHP' : 'native', JSON.stringify(d).slice(0,150)]))
      jQuery(document).on('heartbeat-presence heartbeat-push', (e, d) => tr.push([e.type, Math.round(performance.now()/1000), JSON.stringify(d).slice(0,160)]))
    })
    await beat(page); await beat(page)
    await sleep(75000)
    for (const l of await page.evaluate(() => tr)) console.log(l.join(' | '))
  })
})
