() => {
  const faults = [];
  const fault = (text) => { if (!faults.includes(text)) faults.push(text); };
  const brief = (element) => {
    const text = (element.textContent || '').trim().replace(/\s+/g, ' ').slice(0, 40);
    return `<${element.tagName.toLowerCase()}${element.className && typeof element.className === 'string' ? ` class="${element.className}"` : ''}> ${text}`;
  };
  const visible = (element) => {
    if (!element.checkVisibility({ opacityProperty: true, visibilityProperty: true })) return false;
    const box = element.getBoundingClientRect();
    // Kept for screen readers alone.
    return box.width > 1 && box.height > 1 && !element.closest('.visually-hidden, [aria-hidden="true"], .skip:not(:focus)');
  };

  // The page itself never scrolls sideways; a frame inside may.
  const root = document.scrollingElement;
  if (root.scrollWidth > root.clientWidth) {
    const within = (element) => element.parentElement && element.parentElement !== document.body
      && (getComputedStyle(element.parentElement).overflowX !== 'visible' || within(element.parentElement));
    const wide = [...document.body.querySelectorAll('*')].filter((one) => one.getBoundingClientRect().right > root.clientWidth + 1 && !within(one));
    fault(`scrolls sideways: ${root.scrollWidth} > ${root.clientWidth}: ${wide.slice(0, 3).map(brief).join('; ')}`);
  }
  if (!document.title.includes('linformer') || document.title.trim() === 'linformer') fault(`title: '${document.title}'`);
  const heads = [...document.querySelectorAll('h1')].filter(visible);
  if (heads.length !== 1) fault(`${heads.length} h1`);
  const ids = [...document.querySelectorAll('[id]')].map((one) => one.id);
  for (const id of new Set(ids)) if (ids.filter((one) => one === id).length > 1) fault(`id ${id} is there more than once`);

  const words = (ids) => ids.split(/\s+/).map((id) => document.getElementById(id)?.textContent ?? '').join(' ');
  const nameOf = (element) => (element.getAttribute('aria-labelledby') ? words(element.getAttribute('aria-labelledby')) : '')
    || element.getAttribute('aria-label') || [...(element.labels ?? [])].map((label) => label.textContent).join(' ')
    || (['INPUT', 'SELECT', 'TEXTAREA'].includes(element.tagName) ? '' : element.textContent) || element.getAttribute('title') || '';
  for (const control of document.querySelectorAll('a[href], button, input:not([type=hidden]), select, textarea, [role=button], [role=menuitem], [tabindex="0"], [role=img], [role=progressbar]')) {
    if (visible(control) && nameOf(control).trim() === '') fault(`no name: ${control.outerHTML.slice(0, 120)}`);
  }

  // Relative luminance and contrast by WCAG 2.1; colours as the browser paints them, over what is behind.
  const canvas = Object.assign(document.createElement('canvas'), { width: 1, height: 1 }).getContext('2d', { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = (front, back) => [0, 1, 2].map((i) => front[i] * front[3] + back[i] * (1 - front[3])).concat(1);
  const luminance = (colour) => {
    const [r, g, b] = colour.map((one) => (one / 255 <= 0.04045 ? one / 255 / 12.92 : ((one / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    const layers = [];
    for (let one = element; one; one = one.parentElement) {
      const style = getComputedStyle(one);
      if (style.backgroundImage !== 'none') return null;
      layers.push(rgba(style.backgroundColor));
      if (layers.at(-1)[3] === 1) break;
    }
    return layers.reverse().reduce((back, layer) => over(layer, back), [255, 255, 255, 1]);
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    if (!node.textContent.trim() || !visible(element) || element.closest('canvas, script, option, :disabled, [aria-disabled=true]')) continue;
    const style = getComputedStyle(element);
    const back = behind(element);
    if (!back) continue;
    let opacity = 1;
    for (let one = element; one; one = one.parentElement) opacity *= Number(getComputedStyle(one).opacity);
    const colour = rgba(element.closest('svg') ? style.fill : style.color);
    const front = over([...colour.slice(0, 3), colour[3] * opacity], back);
    const [light, dark] = [luminance(front), luminance(back)].sort((a, b) => b - a);
    const ratio = (light + 0.05) / (dark + 0.05);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    if (ratio < (large ? 3 : 4.5)) fault(`contrast ${ratio.toFixed(2)}: ${brief(element)}`);
  }
  return faults;
}
