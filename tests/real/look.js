// Opens a page in a real browser, at two widths, light and dark, and prints what it saw as one JSON document.
// look.js PAGE SCREENSHOTS: needs playwright-core and axe-core beside it (NODE_PATH), and the browser in BROWSER.
const fs = require('fs');
const { chromium } = require('playwright-core');
const axe = fs.readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

// What must be seen: without it the screenshot is another.
const MARKS = ['.bar .value', '.bar .whisker', '.chart .point', '.chart .piece-passed', '.chart .piece-failed',
  '.heat td', '.status'];
// What text of others must never become.
const FOREIGN = 'script, iframe, object, embed, img, link, form, input, base, [onload], [onerror], [onmouseover]';

async function look(browser, file, width, colorScheme, shots) {
  const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme });
  const seen = { width, colorScheme, console: [], requests: [], dialogs: 0 };
  page.on('console', message => seen.console.push(message.text()));
  page.on('pageerror', error => seen.console.push(String(error)));
  page.on('request', request => seen.requests.push(request.url()));
  page.on('dialog', dialog => { seen.dialogs += 1; dialog.dismiss(); });
  const began = Date.now();
  await page.goto('file://' + file);
  seen.milliseconds = Date.now() - began;
  await page.evaluate(() => document.querySelectorAll('details').forEach(part => { part.open = true; }));
  seen.scrollWidth = await page.evaluate(() => document.documentElement.scrollWidth);
  seen.foreign = await page.evaluate(what => document.querySelectorAll(what).length, FOREIGN);
  const shot = () => page.screenshot({ fullPage: true, path: `${shots}/${width}-${colorScheme}.png` });
  const whole = await shot();
  seen.unseen = [];
  for (const mark of colorScheme === 'light' ? MARKS : []) {
    const show = visibility => page.evaluate(([mark, visibility]) =>
      document.querySelectorAll(mark).forEach(part => { part.style.visibility = visibility; }), [mark, visibility]);
    await show('hidden');
    if (whole.equals(await page.screenshot({ fullPage: true }))) seen.unseen.push(mark);
    await show('');
  }
  await shot();
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run(document));
  seen.barriers = violations.map(found => `${found.id}: ${found.nodes[0].html.slice(0, 200)}`);
  await page.close();
  return seen;
}

(async () => {
  const [file, shots] = process.argv.slice(2);
  const browser = await chromium.launch({ executablePath: process.env.BROWSER, args: ['--no-sandbox'] });
  const looks = [];
  for (const [width, scheme] of [[1280, 'light'], [390, 'light'], [1280, 'dark'], [390, 'dark']])
    looks.push(await look(browser, file, width, scheme, shots));
  await browser.close();
  console.log(JSON.stringify(looks));
})();
