"""The boards of deploy/grafana: for the business, for engineers, and for the sagas. `make boards` writes them anew."""

from devkit.boards import business, engineering, sagas
from devkit.boards.panels import Board

BOARDS: tuple[Board, ...] = (business.BOARD, engineering.BOARD, sagas.BOARD)
