"""Long texts: sentences, words, ROUGE, TextRank, oracle labels. No torch, no model."""
