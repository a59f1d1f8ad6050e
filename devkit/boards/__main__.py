"""`make boards`: write the boards of deploy/grafana from their descriptions."""

from devkit.boards import BOARDS, grafana
from devkit.install import ROOT

grafana.write(BOARDS, ROOT / "deploy" / "grafana")
