// The texts that the server put into the page, in its language.

export function readTexts(id = "texts") {
  return JSON.parse(document.getElementById(id).textContent);
}

// The text with its {places} filled in. A text of several forms is chosen by the plural rules of the page's language.
export function fill(text, values = {}) {
  const lang = document.documentElement.lang;
  const form = typeof text === "string" ? text : (text[new Intl.PluralRules(lang).select(values.count)] ?? text.other);
  return form.replace(/\{(\w+)\}/g, (place, name) => values[name] ?? place);
}
