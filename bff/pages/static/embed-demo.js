// What a page does with <tutormesh-slots>: it says whose times to show, and hears which one is chosen.
const find = (id) => document.getElementById(id), choices = find("choices"), slots = find("slots");

choices.onchange = () => {
	for (const [name, value] of new FormData(choices)) slots[value ? "setAttribute" : "removeAttribute"](name, value);
	find("code").textContent = `<script type="module" src="${location.origin}/embed/slots.js"></script>\n${slots.outerHTML}`;
};
choices.onchange();

document.addEventListener("tutormesh-slot", ({ detail }) => {
	find("waiting").hidden = true;
	find("event").hidden = false;
	find("event").textContent = JSON.stringify(detail, null, 2);
});
