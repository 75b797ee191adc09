"""What words in a conversation say: rules with names, each showing the words that decided."""
