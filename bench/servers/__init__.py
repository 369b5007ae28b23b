"""The three servers that answer the same questions: the product, the floor below it and a stock one beside it."""
