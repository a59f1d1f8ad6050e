// Stands in for Stripe.js while the sandbox is the provider: the same calls with the same answers. The form is in the page.

(() => {
	const AWAY = { error: { type: "api_connection_error" } };

	async function send(secret, verb, values) {
		const body = new URLSearchParams({ ...values, client_secret: secret }), path = `/sandbox/payment_intents/${secret.split("_secret_")[0]}/${verb}`;
		try {
			const answer = await (await fetch(path, { method: "POST", body, signal: AbortSignal.timeout(10_000) })).json();
			if (answer.object === "payment_intent") return { paymentIntent: answer };
			return answer.error?.type ? { error: answer.error } : AWAY;
		} catch {
			return AWAY;
		}
	}

	function makeElements({ clientSecret }) {
		const [form] = document.getElementById("test-cards").content.cloneNode(true).children, listeners = {};
		const element = {
			on: (event, listener) => { listeners[event] = listener; },
			mount(place) {
				document.querySelector(place).replaceChildren(form);
				queueMicrotask(() => listeners.ready?.());
			},
			destroy: () => form.remove(),
		};
		return { clientSecret, create: () => element, chosenCard: () => form.querySelector(":checked").value };
	}

	window.Stripe = (key) => ({
		elements: makeElements,
		retrievePaymentIntent: (secret) => send(secret, "retrieve", { key }),
		async confirmPayment({ elements: { clientSecret, chosenCard }, confirmParams: { return_url } }) {
			const answer = await send(clientSecret, "confirm", { key, payment_method: chosenCard() });
			if (answer.paymentIntent?.status !== "requires_action") return answer;
			location.assign(`/sandbox/authenticate${location.search}#${new URLSearchParams({ client_secret: clientSecret, return_url })}`);
			return new Promise(() => {}); // the person leaves this page, as with Stripe.js
		},
	});
})();
