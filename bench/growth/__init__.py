"""What a lesson and the lists cost beside many sales that are over.

| module | what |
|---|---|
| `sample` | one sale that was really sold, as lines of COPY in which ids, people and times are placeholders |
| `people` | who buys what of whom, so that no two lessons overlap and one person has ten thousand |
| `fill` | so many sales in every database and in the sandbox, by COPY |
| `listings` | the lists, as an app asks for them |
| `measure` | meshes with few and with many sales, side by side |
"""
