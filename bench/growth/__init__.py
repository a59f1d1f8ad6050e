"""What a lesson and the lists cost beside many sales that are over.

| module | what |
|---|---|
| `sample` | a row that was really made, as an INSERT of rows like it |
| `people` | who buys what of whom, so that no two lessons overlap and one person has ten thousand |
| `fill` | so many sales in every database, made within PostgreSQL |
| `provider` | their intents and charges in the sandbox |
| `audits` | `tutormesh audit` of a few lessons, and of everything |
| `listings` | the lists, as an app asks for them |
| `__main__` | meshes with few and with many sales, side by side |
"""
