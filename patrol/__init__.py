"""The rules of the station: no HTTP, no GraphQL, no Firebase in here."""
