// Opens pages one after another in a real browser and prints what was seen of each as one JSON document: its text when
// that holds what is waited for, errors, dialogs.
// view.js ADDRESS TEXT [ADDRESS TEXT…]: needs playwright-core (NODE_PATH), and the browser in BROWSER. Screenshots go to SHOTS.
const { chromium } = require('playwright-core');

async function view(browser, address, text, shot) {
  const page = await browser.newPage({ viewport: { width: 1400, height: 900 } });
  const seen = { errors: [], dialogs: 0 };
  page.on('pageerror', error => seen.errors.push(String(error)));
  page.on('dialog', dialog => { seen.dialogs += 1; dialog.dismiss(); });
  await page.goto(address);
  const shown = page.waitForFunction(text => document.body.innerText.includes(text), text, { timeout: 60000 });
  await shown.catch(error => seen.errors.push(`${text}: ${error.name}`));
  seen.text = await page.evaluate(() => document.body.innerText);
  await page.screenshot({ path: shot });
  await page.close();
  return seen;
}

(async () => {
  const words = process.argv.slice(2);
  const browser = await chromium.launch({ executablePath: process.env.BROWSER, args: ['--no-sandbox'] });
  const views = [];
  for (let n = 0; n + 1 < words.length; n += 2)
    views.push(await view(browser, words[n], words[n + 1], `${process.env.SHOTS}/${n / 2 + 1}.png`));
  await browser.close();
  console.log(JSON.stringify(views));
})();
