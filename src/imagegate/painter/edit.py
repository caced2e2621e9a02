"""x"""
def edited(order, rng): raise NotImplementedError
