"""Document 000 (CNN Architectures), section 1: VGG.

This is the document's own code, word for word: the reference that edgecnn's network must equal.
It is kept as it was published, so the linters leave it alone.
"""
# ruff: noqa: F401, I001, ICN001, Q000, TID251
# fmt: off
# mypy: ignore-errors

import tensorflow
from tensorflow.keras.models import Sequential,Model
from tensorflow.keras.layers import Dense, Conv2D, MaxPooling2D, Dropout
from tensorflow.keras.layers import Flatten, Activation,Input,BatchNormalization,add

custom_vgg=Sequential(name='VGG')
custom_vgg.add(Conv2D(64,(3,3),strides=1,padding='same',activation='relu',input_shape=(32,32,3)))
custom_vgg.add(Dropout(0.4))
custom_vgg.add(Conv2D(64,(3,3),strides=1,padding='same',activation='relu'))
custom_vgg.add(Dropout(0.4))
custom_vgg.add(MaxPooling2D((2,2)))

custom_vgg.add(Conv2D(128,(3,3),strides=1,padding='same',activation='relu'))
custom_vgg.add(Dropout(0.4))
custom_vgg.add(Conv2D(128,(3,3),strides=1,padding='same',activation='relu'))
custom_vgg.add(Dropout(0.4))
custom_vgg.add(MaxPooling2D((2,2)))

custom_vgg.add(Conv2D(256,(3,3),strides=1,padding='same',activation='relu'))
custom_vgg.add(Dropout(0.4))
custom_vgg.add(Conv2D(256,(3,3),strides=1,padding='same',activation='relu'))
custom_vgg.add(Dropout(0.4))
custom_vgg.add(MaxPooling2D((2,2)))

custom_vgg.add(Flatten())
custom_vgg.add(Dense(10,activation='softmax'))
