// What a page does with <tutormesh-slots>: it says whose times to show, and listens for the one that is chosen.
const find = (id) => document.getElementById(id);
const choices = find("choices"), slots = find("slots");

const show = () => {
  for (const name of ["tutor", "duration", "timezone"]) {
    const { value } = choices.elements[name];
    if (value) slots.setAttribute(name, value);
    else slots.removeAttribute(name);
  }
  slots.hidden = false;
  const attributes = ["tutor", "locale", "timezone", "duration"].filter((name) => slots.hasAttribute(name));
  find("code").textContent = [
    `<script type="module" src="${location.origin}/embed/slots.js"></script>`,
    `<tutormesh-slots ${attributes.map((name) => `${name}="${slots.getAttribute(name)}"`).join(" ")}></tutormesh-slots>`,
  ].join("\n");
};

choices.addEventListener("change", show);
document.addEventListener("tutormesh-slot", ({ detail }) => {
  find("waiting").hidden = true;
  find("event").hidden = false;
  find("event").textContent = JSON.stringify(detail, null, 2);
});

const query = "{ tutors(first: 100) { nodes { id displayName timezone } } }";
const headers = { "content-type": "application/json" };
const answer = await fetch("/graphql", { method: "POST", headers, body: JSON.stringify({ query }) });
const { data } = await answer.json();
const listed = data?.tutors.nodes ?? [];
for (const { id, displayName, timezone } of listed) choices.elements.tutor.add(new Option(displayName || timezone, id));
find("nobody").hidden = listed.length > 0;
if (listed.length) show();
