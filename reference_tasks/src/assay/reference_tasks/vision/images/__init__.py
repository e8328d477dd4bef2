"""Operations on single images and their masks, each a pure function of what it is given and of a seed."""
