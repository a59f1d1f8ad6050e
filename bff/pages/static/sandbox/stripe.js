// Stands in for Stripe.js (https://js.stripe.com/v3/) while the Stripe sandbox is the provider: the same calls with the
// same answers, for a form that offers test cards by name. The edge passes its requests on to the sandbox.

(() => {
  const CARDS = [
    ["good", "pm_card_visa"],
    ["declined", "pm_card_chargeDeclined"],
    ["insufficient", "pm_card_chargeDeclinedInsufficientFunds"],
    ["secure", "pm_card_authenticationRequired"],
  ];
  const AWAY = { error: { type: "api_connection_error", message: "The sandbox does not answer." } };
  const texts = JSON.parse(document.getElementById("sandbox-texts").textContent);

  const intentOf = (secret) => secret.split("_secret_")[0];

  async function send(key, secret, verb, more = {}) {
    const body = new URLSearchParams({ key, client_secret: secret, ...more });
    const options = { method: "POST", body, cache: "no-store", credentials: "omit", signal: AbortSignal.timeout(10000) };
    try {
      const answer = await (await fetch(`/sandbox/payment_intents/${intentOf(secret)}/${verb}`, options)).json();
      if (answer.object === "payment_intent") return { paymentIntent: answer };
      return answer.error?.type ? { error: answer.error } : AWAY;
    } catch {
      return AWAY;
    }
  }

  class PaymentElement {
    #listeners = {};
    #field = null;

    on(event, listener) {
      (this.#listeners[event] ??= []).push(listener);
      return this;
    }

    mount(place) {
      const parent = typeof place === "string" ? document.querySelector(place) : place;
      this.#field = document.createElement("fieldset");
      this.#field.className = "test-cards";
      this.#field.append(Object.assign(document.createElement("legend"), { textContent: texts.cards }));
      this.#field.append(...CARDS.map(([name, method], index) => this.#card(name, method, index === 0)));
      parent.replaceChildren(this.#field);
      queueMicrotask(() => this.#listeners.ready?.forEach((listener) => listener({ elementType: "payment" })));
    }

    unmount() {
      this.#field?.remove();
    }

    destroy() {
      this.unmount();
    }

    get method() {
      return this.#field?.querySelector("input:checked")?.value;
    }

    #card(name, method, isFirst) {
      const label = document.createElement("label");
      const input = Object.assign(document.createElement("input"), { type: "radio", name: "test-card", value: method });
      input.defaultChecked = isFirst;
      input.setAttribute("aria-describedby", `${method}-hint`);
      const words = document.createElement("span");
      words.textContent = texts[name];
      const hint = Object.assign(document.createElement("span"), { className: "hint", textContent: texts[`${name}_hint`] });
      hint.id = `${method}-hint`;
      label.append(input, words, hint);
      return label;
    }
  }

  class Elements {
    constructor(clientSecret) {
      this.clientSecret = clientSecret;
    }

    create(type) {
      if (type !== "payment") throw new Error(`the sandbox has no element "${type}"`);
      this.payment = new PaymentElement();
      return this.payment;
    }

    getElement() {
      return this.payment ?? null;
    }
  }

  // As Stripe.js does: the person leaves this page, and the promise stays open.
  function leaveFor(address) {
    location.assign(address);
    return new Promise(() => {});
  }

  function challenge(key, secret, returnUrl) {
    return `/sandbox/authenticate${location.search}#${new URLSearchParams({ key, client_secret: secret, return_url: returnUrl })}`;
  }

  window.Stripe = (key) => ({
    elements: ({ clientSecret }) => new Elements(clientSecret),

    async confirmPayment({ elements, confirmParams, redirect = "always" }) {
      const { clientSecret: secret, payment } = elements;
      if (!payment?.method) return { error: { type: "validation_error", code: "incomplete_card" } };
      const answer = await send(key, secret, "confirm", { payment_method: payment.method });
      if (answer.paymentIntent?.status === "requires_action") {
        return leaveFor(challenge(key, secret, confirmParams.return_url));
      }
      if (answer.paymentIntent && redirect === "always") return leaveFor(confirmParams.return_url);
      return answer;
    },

    retrievePaymentIntent: (secret) => send(key, secret, "retrieve"),
  });
})();
