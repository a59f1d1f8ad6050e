# What the commands of these pages use. In bash or zsh, in the folder of the checkout: `. docs/demo.sh`

# curl must not use a proxy for this machine.
export no_proxy="127.0.0.1,localhost,${no_proxy:-${NO_PROXY:-}}"

BFF=http://127.0.0.1:8080
STRIPE=http://127.0.0.1:12111

# The tutors of the demo data.
NORA=00000000-0000-4000-8000-0000000000b1  # Monday to Friday, 09:00-17:00 in New York, $50 an hour
JONAS=00000000-0000-4000-8000-0000000000b2 # Monday to Friday, 10:00-19:00 in Berlin, €45 an hour
YUKI=00000000-0000-4000-8000-0000000000b3  # Monday to Friday, 08:00-20:00 in Tokyo, ¥6,000 an hour

# gql QUERY [NAME=VALUE]...: sends a GraphQL operation with its variables, as the bearer of $TOKEN.
gql() {
  .venv/bin/python -c 'import json, sys
variables = dict(pair.split("=", 1) for pair in sys.argv[2:])
print(json.dumps({"query": sys.argv[1], "variables": variables}))' "$@" |
    curl -s "$BFF/graphql" -H "authorization: Bearer $TOKEN" -H 'content-type: application/json' -d @-
}

# rest METHOD PATH [BODY]: sends a REST request, as the bearer of $TOKEN.
rest() {
  curl -s -X "$1" "$BFF$2" -H "authorization: Bearer $TOKEN" -H 'content-type: application/json' -d "${3:-}"
}

# pick KEY...: one value out of the JSON on standard input.
pick() {
  .venv/bin/python -c 'import json, sys
value = json.load(sys.stdin)
for key in sys.argv[1:]: value = value[int(key) if key.isdigit() else key]
print(value if isinstance(value, str) else json.dumps(value))' "$@"
}

# ahead DAYS: the instant so many days from now.
ahead() { .venv/bin/python -c "import datetime as d; print((d.datetime.now(d.UTC) + d.timedelta(days=$1)).strftime('%Y-%m-%dT%H:%M:%SZ'))"; }

# pay INTENT SECRET [CARD]: pays as Stripe.js does, with the publishable key. Prints the PaymentIntent's status.
pay() {
  curl -s "$STRIPE/v1/payment_intents/$1/confirm" -H 'authorization: Bearer pk_test_sandbox' \
    -d "payment_method=${3:-pm_card_visa}" -d "client_secret=$2" | pick status
}

# status_of BOOKING, and wait_for BOOKING STATUS: asks until the booking has that status.
status_of() { gql 'query ($id: ID!) { booking(id: $id) { status } }' "id=$1" | pick data booking status; }
wait_for() { until [ "$(status_of "$1")" = "$2" ]; do sleep 0.2; done; }
