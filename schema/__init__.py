"""The GraphQL contracts and the planner that turns an operation into SQL."""
